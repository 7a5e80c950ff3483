#include "molt/uf2.h"

/* Source: github.com/microsoft/uf2, utils/uf2families.json; names and ids are its own. */
static const struct molt_uf2_family families[] = {
    {0x16573617, "ATMEGA32", "Microchip (Atmel) ATmega32", MOLT_UF2_OTHER, ""},
    {0x7B3EF230, "BK7231N", "Beken 7231N", MOLT_UF2_OTHER, ""},
    {0x675A40B0, "BK7231U", "Beken 7231U/7231T", MOLT_UF2_OTHER, ""},
    {0x6A82CC42, "BK7251", "Beken 7251/7252", MOLT_UF2_OTHER, ""},
    {0xDE1270B7, "BL602", "Boufallo 602", MOLT_UF2_OTHER, ""},
    {0x699B62EC, "CH32V", "WCH CH32V2xx and CH32V3xx", MOLT_UF2_OTHER, ""},
    {0x1C5F21B0, "ESP32", "ESP32", MOLT_UF2_ESP, "esp32"},
    {0x2B88D29C, "ESP32C2", "ESP32-C2", MOLT_UF2_ESP, "esp32c2"},
    {0xD42BA06C, "ESP32C3", "ESP32-C3", MOLT_UF2_ESP, "esp32c3"},
    {0xF71C0343, "ESP32C5", "ESP32-C5", MOLT_UF2_ESP, "esp32c5"},
    {0x540DDF62, "ESP32C6", "ESP32-C6", MOLT_UF2_ESP, "esp32c6"},
    {0x77D850C4, "ESP32C61", "ESP32-C61", MOLT_UF2_ESP, "esp32c61"},
    {0x332726F6, "ESP32H2", "ESP32-H2", MOLT_UF2_ESP, "esp32h2"},
    {0xB6DD00AF, "ESP32H21", "ESP32-H21", MOLT_UF2_ESP, "esp32h21"},
    {0x9E0BAA8A, "ESP32H4", "ESP32-H4", MOLT_UF2_ESP, "esp32h4"},
    {0x3D308E94, "ESP32P4", "ESP32-P4", MOLT_UF2_ESP, "esp32p4"},
    {0xBFDD4EEE, "ESP32S2", "ESP32-S2", MOLT_UF2_ESP, "esp32s2"},
    {0xC47E5767, "ESP32S3", "ESP32-S3", MOLT_UF2_ESP, "esp32s3"},
    {0x3101F7C1, "ESP32S31", "ESP32-S31", MOLT_UF2_ESP, "esp32s31"},
    {0x7EAB61ED, "ESP8266", "ESP8266", MOLT_UF2_OTHER, ""},
    {0x31D228C6, "GD32F350", "GD32F350", MOLT_UF2_OTHER, ""},
    {0x9AF03E33, "GD32VF103", "GigaDevice GD32VF103", MOLT_UF2_OTHER, ""},
    {0x7F83E793, "KL32L2", "NXP KL32L2x", MOLT_UF2_OTHER, ""},
    {0x2ABC77EC, "LPC55", "NXP LPC55xx", MOLT_UF2_OTHER, ""},
    {0xD63F8632, "MAX32650", "Analog Devices MAX32650/1/2", MOLT_UF2_OTHER, ""},
    {0xF0C30D71, "MAX32666", "Analog Devices MAX32665/6", MOLT_UF2_OTHER, ""},
    {0x7410520A, "MAX32690", "Analog Devices MAX32690", MOLT_UF2_OTHER, ""},
    {0x91D3FD18, "MAX78002", "Analog Devices MAX78002", MOLT_UF2_OTHER, ""},
    {0x4FB2D5BD, "MIMXRT10XX", "NXP i.MX RT10XX", MOLT_UF2_OTHER, ""},
    {0x1B57745F, "NRF52", "Nordic NRF52", MOLT_UF2_OTHER, ""},
    {0x820D9A5F, "NRF52820", "Nordic NRF52820_xxAA", MOLT_UF2_OTHER, ""},
    {0x72721D4E, "NRF52832xxAA", "Nordic NRF52832xxAA", MOLT_UF2_OTHER, ""},
    {0x6F752678, "NRF52832xxAB", "Nordic NRF52832xxAB", MOLT_UF2_OTHER, ""},
    {0x621E937A, "NRF52833", "Nordic NRF52833", MOLT_UF2_OTHER, ""},
    {0xADA52840, "NRF52840", "Nordic NRF52840", MOLT_UF2_OTHER, ""},
    {0x7BE8976D, "RA4M1", "Renesas RA4M1", MOLT_UF2_OTHER, ""},
    {0xE48BFF56, "RP2040", "Raspberry Pi RP2040", MOLT_UF2_RP2, ""},
    {0xE48BFF5B, "RP2350_ARM_NS", "Raspberry Pi RP2350, non-secure Arm", MOLT_UF2_RP2, ""},
    {0xE48BFF59, "RP2350_ARM_S", "Raspberry Pi RP2350, Arm", MOLT_UF2_RP2, ""},
    {0xE48BFF5A, "RP2350_RISCV", "Raspberry Pi RP2350, RISC-V", MOLT_UF2_RP2, ""},
    {0xE48BFF57, "RP2XXX_ABSOLUTE", "Raspberry Pi RP2, absolute", MOLT_UF2_RP2, ""},
    {0xE48BFF58, "RP2XXX_DATA", "Raspberry Pi RP2, data partition", MOLT_UF2_RP2, ""},
    {0x9FFFD543, "RTL8710A", "Realtek Ameba1 RTL8710A", MOLT_UF2_OTHER, ""},
    {0x22E0D6FC, "RTL8710B", "Realtek AmebaZ RTL8710B", MOLT_UF2_OTHER, ""},
    {0xE08F7564, "RTL8720C", "Realtek AmebaZ2 RTL8720C", MOLT_UF2_OTHER, ""},
    {0x3379CFE2, "RTL8720D", "Realtek AmebaD RTL8720D", MOLT_UF2_OTHER, ""},
    {0x9517422F, "RZA1LU", "Renesas RZ/A1LU (R7S7210xx)", MOLT_UF2_OTHER, ""},
    {0x68ED2B88, "SAMD21", "Microchip (Atmel) SAMD21", MOLT_UF2_OTHER, ""},
    {0x55114460, "SAMD51", "Microchip (Atmel) SAMD51", MOLT_UF2_OTHER, ""},
    {0x1851780A, "SAML21", "Microchip (Atmel) SAML21", MOLT_UF2_OTHER, ""},
    {0x647824B6, "STM32F0", "ST STM32F0xx", MOLT_UF2_OTHER, ""},
    {0x5EE21072, "STM32F1", "ST STM32F103", MOLT_UF2_OTHER, ""},
    {0x5D1A0A2E, "STM32F2", "ST STM32F2xx", MOLT_UF2_OTHER, ""},
    {0x6B846188, "STM32F3", "ST STM32F3xx", MOLT_UF2_OTHER, ""},
    {0x57755A57, "STM32F4", "ST STM32F4xx", MOLT_UF2_OTHER, ""},
    {0x6D0922FA, "STM32F407", "ST STM32F407", MOLT_UF2_OTHER, ""},
    {0x8FB060FE, "STM32F407VG", "ST STM32F407VG", MOLT_UF2_OTHER, ""},
    {0x06D1097B, "STM32F411xC", "ST STM32F411xC", MOLT_UF2_OTHER, ""},
    {0x2DC309C5, "STM32F411xE", "ST STM32F411xE", MOLT_UF2_OTHER, ""},
    {0x53B80F00, "STM32F7", "ST STM32F7xx", MOLT_UF2_OTHER, ""},
    {0x300F5633, "STM32G0", "ST STM32G0xx", MOLT_UF2_OTHER, ""},
    {0x4C71240A, "STM32G4", "ST STM32G4xx", MOLT_UF2_OTHER, ""},
    {0x4E8F1C5D, "STM32H5", "ST STM32H5xx", MOLT_UF2_OTHER, ""},
    {0x6DB66082, "STM32H7", "ST STM32H7xx", MOLT_UF2_OTHER, ""},
    {0x202E3A91, "STM32L0", "ST STM32L0xx", MOLT_UF2_OTHER, ""},
    {0x1E1F432D, "STM32L1", "ST STM32L1xx", MOLT_UF2_OTHER, ""},
    {0x00FF6919, "STM32L4", "ST STM32L4xx", MOLT_UF2_OTHER, ""},
    {0x04240BDF, "STM32L5", "ST STM32L5xx", MOLT_UF2_OTHER, ""},
    {0x70D16653, "STM32WB", "ST STM32WBxx", MOLT_UF2_OTHER, ""},
    {0x21460FF0, "STM32WL", "ST STM32WLxx", MOLT_UF2_OTHER, ""},
};

#define FAMILY_COUNT (sizeof families / sizeof families[0])

const struct molt_uf2_family *molt_uf2_family_at(uint32_t index)
{
    return index < FAMILY_COUNT ? &families[index] : 0;
}

const struct molt_uf2_family *molt_uf2_family_by_id(uint32_t id)
{
    for (uint32_t i = 0; i < FAMILY_COUNT; i++) {
        if (families[i].id == id) {
            return &families[i];
        }
    }
    return 0;
}

static char plain(char c)
{
    return c == '-' ? '_' : c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static bool same_name(const char *a, const char *b)
{
    while (*a && plain(*a) == plain(*b)) {
        a++;
        b++;
    }
    return *a == *b;
}

const struct molt_uf2_family *molt_uf2_family_by_name(const char *name)
{
    for (uint32_t i = 0; i < FAMILY_COUNT; i++) {
        if (same_name(families[i].name, name)) {
            return &families[i];
        }
    }
    return 0;
}

const struct molt_uf2_family *molt_uf2_family_of_chip(const char *chip)
{
    for (uint32_t i = 0; i < FAMILY_COUNT; i++) {
        if (families[i].chip[0] && same_name(families[i].chip, chip)) {
            return &families[i];
        }
    }
    return 0;
}
