# The second part of what a BIOS starts, at 0000:8000, with the disk's number in DL, segments of 0, a stack below 7C00, strings upward.
# It loads kernel and initrd from where they are on the disk, and starts the kernel by its 16-bit entry.
#
# What it is told is at 8400:
#   +0  first sector of the kernel, 8 bytes
#   +8  its sectors, 4
#   +12 bytes of the initrd, 4
#   +16 first sector of the initrd, 8
#   +24 its sectors, 4
#   +28 the command line, which ends with 0
# Memory: 10000 the kernel's setup, 1E000 its command line, 20000 what a read brings, 100000 the kernel; the initrd is behind what
# the kernel unpacks itself to.
#
# Sources: Documentation/arch/x86/boot.rst of Linux; BIOS Enhanced Disk Drive Specification 3.0; ACPI 6.5, 15.3 (E801h is older).
# Assembled by a test of bios.rs, which compares the result with second.bin.
.intel_syntax noprefix
.code16
.set TOLD, 0x8400
.set BUFFER, 0x20000
    mov [drive], dl
    # addresses beyond 1 MiB: by the BIOS, and by the port that it may have left alone
    mov ax, 0x2401
    int 0x15
    in al, 0x92
    test al, 2
    jnz a20
    or al, 2
    and al, 0xfe
    out 0x92, al
a20:
    # the first 64 sectors of the kernel: its setup has no more
    mov eax, [TOLD]
    mov edx, [TOLD + 4]
    mov ecx, 64
    mov edi, 0x10000
    call load
    # how many sectors are setup, without the first: 4 where it says 0
    mov si, 0x1000
    mov fs, si
    movzx ebx, byte ptr fs:[0x1f1]
    test bl, bl
    jnz some
    mov bl, 4
some:
    inc ebx
    # the kernel itself
    mov eax, [TOLD]
    mov edx, [TOLD + 4]
    add eax, ebx
    adc edx, 0
    mov ecx, [TOLD + 8]
    sub ecx, ebx
    mov edi, 0x100000
    call load
    # pref_address + init_size, to a whole page
    mov edi, fs:[0x258]
    add edi, fs:[0x260]
    add edi, 0xfff
    and edi, 0xfffff000
    # is there memory up to its end? how many 64 KiB are above 16 MiB
    push edi
    mov ax, 0xe801
    xor cx, cx
    xor dx, dx
    int 0x15
    jc memory
    test dx, dx
    jnz have
    mov dx, bx
have:
    pop edi
    movzx eax, dx
    shl eax, 16
    add eax, 0x1000000
    jnc top
    sbb eax, eax
top:
    mov edx, [TOLD + 12]
    add edx, edi
    cmp eax, edx
    jb memory
    mov fs:[0x218], edi
    mov eax, [TOLD + 12]
    mov fs:[0x21c], eax
    mov eax, [TOLD + 16]
    mov edx, [TOLD + 20]
    mov ecx, [TOLD + 24]
    call load
    # type_of_loader, CAN_USE_HEAP, heap_end_ptr, cmd_line_ptr
    mov byte ptr fs:[0x210], 0xff
    or byte ptr fs:[0x211], 0x80
    mov word ptr fs:[0x224], 0xde00
    mov dword ptr fs:[0x228], 0x1e000
    mov ax, 0x1e00
    mov es, ax
    mov si, TOLD + 28
    xor di, di
copy:
    lodsb
    stosb
    test al, al
    jnz copy
    cli
    mov ax, 0x1000
    mov ds, ax
    mov es, ax
    mov fs, ax
    mov gs, ax
    mov ss, ax
    mov sp, 0xe000
    ljmp 0x1020, 0

# Loads ECX sectors from sector EDX:EAX to address EDI, which it moves on.
load:
    mov [packet+8], eax
    mov [packet+12], edx
more:
    test ecx, ecx
    jz done
    mov ebx, 64
    cmp ecx, ebx
    jae whole
    mov ebx, ecx
whole:
    mov [packet+2], bx
    sub ecx, ebx
    pushad
    mov cx, 3
again:
    push cx
    mov si, offset packet
    mov ah, 0x42
    mov dl, [drive]
    int 0x13
    pop cx
    jnc read
    xor ah, ah
    mov dl, [drive]
    int 0x13
    loop again
    mov si, offset unread
    jmp bad
read:
    popad
    add [packet+8], ebx
    adc dword ptr [packet+12], 0
    # to addresses beyond 64 KiB: segment registers keep the limit that they got in protected mode
    cli
    lgdt [table]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp wide
wide:
    mov si, 8
    mov ds, si
    mov es, si
    and al, 0xfe
    mov cr0, eax
    jmp real
real:
    xor si, si
    mov ds, si
    mov es, si
    push ecx
    mov ecx, ebx
    shl ecx, 7
    mov esi, BUFFER
    addr32 rep movsd
    pop ecx
    sti
    jmp more
done:
    ret

memory:
    mov si, offset little
bad:
    lodsb
    test al, al
    jz end
    mov ah, 0x0e
    mov bx, 7
    int 0x10
    jmp bad
end:
    int 0x18
halt:
    hlt
    jmp halt
.balign 8
table:
    .word 15
    .long table
    .word 0
    .byte 0xff, 0xff, 0, 0, 0, 0x92, 0xcf, 0
packet:
    .byte 0x10, 0
    .word 0
    .word 0, BUFFER >> 4
    .quad 0
drive: .byte 0
unread: .asciz "\r\nThis disk cannot be read.\r\n"
little: .asciz "\r\nThis machine has too little memory for its kernel.\r\n"
