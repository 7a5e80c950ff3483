#!/bin/sh
# check-xtensa.sh TOOLS FILE.o: refuses what ESP32, ESP32-S2 and ESP32-S3 do not have all three. Only the instructions listed here may
# occur: those of the core, density, windows, min and max, sign extension, clamp, nsa, 32-bit multiplication and division. So not: loops,
# MAC16, booleans, floating point, S32C1I, special registers, nor anything that the disassembler does not know (excw, .byte).
# Padding in front of a function is of zeros.
set -eu
[ $# = 2 ] || { echo "usage: check-xtensa.sh TOOLS FILE.o" >&2; exit 2; }
"$1/bin/xtensa-esp32-elf-objdump" -d -j .text "$2" | awk -F'\t' '
	BEGIN {
		n = split("abs add add.n addi addi.n addmi addx2 addx4 addx8 and ball bany bbc bbci bbs bbsi beq beqi beqz beqz.n bge bgei " \
			"bgeu bgeui bgez blt blti bltu bltui bltz bnall bne bnei bnez bnez.n bnone call4 call8 call12 callx4 callx8 callx12 " \
			"clamps entry extui extw j jx l16si l16ui l32i l32i.n l32r l8ui max maxu memw min minu mov mov.n moveqz movgez movi " \
			"movi.n movltz movnez mul16s mul16u mull mulsh muluh neg nop nop.n nsa nsau or quos quou rems remu retw retw.n s16i " \
			"s32i s32i.n s8i sext sll slli sra srai src srl srli ssa8l ssai ssl ssr sub subx2 subx4 subx8 xor", words, " ")
		for (i = 1; i <= n; i++)
			allowed[words[i]] = 1
	}
	NF < 3 || $2 ~ /^[0 ]*$/ { next }
	{
		sub(/ .*/, "", $3)
		seen++
		if (!($3 in allowed) && !($3 in told)) {
			told[$3] = 1
			foreign = foreign " " $3
		}
	}
	END {
		if (foreign != "" || !seen) {
			print (seen ? "instructions outside of the common core:" foreign : "no code") > "/dev/stderr"
			exit 1
		}
	}'
