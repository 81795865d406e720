# What a BIOS starts: the first sector of a disk, 440 bytes of it, which it loads to 0000:7C00 and starts with the disk's number in DL.
# It loads the second part, 8 sectors from sector 34 on, to 0000:8000, and goes on there. Where that fails it shows the text that
# follows the code, asks for the next device to start from (INT 18h), and stops.
#
# Sources: BIOS Enhanced Disk Drive Specification 3.0 (INT 13h, functions 41h and 42h). Assembled by a test of bios.rs, which
# compares the result with first.bin.
.intel_syntax noprefix
.code16
    cli
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7c00
    sti
    cld
    # a number below 80h is a floppy's: some hand on nothing of use
    mov dh, 0x80
    test dl, dh
    jnz known
    mov dl, dh
known:
    # can it read by sector numbers?
    mov ah, 0x41
    mov bx, 0x55aa
    int 0x13
    jc failed
    cmp bx, 0xaa55
    jne failed
    mov si, offset packet + 0x7c00
    mov ah, 0x42
    int 0x13
    jc failed
    jmp 0x8000 - 0x7c00
failed:
    mov si, offset text + 0x7c00
show:
    lodsb
    test al, al
    jz next
    mov ah, 0x0e
    mov bx, 7
    int 0x10
    jmp show
next:
    int 0x18
stop:
    hlt
    jmp stop
.balign 4
packet:
    .byte 0x10, 0
    .word 8
    .word 0x8000, 0
    .quad 34
text:
