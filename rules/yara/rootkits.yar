import "elf"

// Libraries that stand between programs and libc to hide something.

rule rootkit_preload_library {
    meta:
        description = "Library that replaces libc's listing of folders to hide files or processes"
        category = "backdoor"
        weight = "sign"
        severity = "critical"
        confidence = "medium"
        maturity = "stable"
        technique = "T1574.006, T1014"
        prefilter = "ld.so.preload|/proc/%s/stat|/proc/net/tcp|process_to_filter|hide_port|hide_file|pam_authenticate"
    strings:
        $next = "dlsym\x00"
        $hide_1 = "ld.so.preload"
        $hide_2 = "/proc/self/fd/%d"
        $hide_3 = "/proc/%s/stat"
        $hide_4 = "/proc/net/tcp"
        $hide_5 = "process_to_filter"
        $hide_6 = "hide_port"
        $hide_7 = "hidden_"
        $hide_8 = "hide_file"
        $hide_9 = "pam_authenticate\x00"
    condition:
        // Many programs list folders; such a library defines the function that lists them, and asks for libc's own.
        uint32(0) == 0x464c457f and uint16(16) == 3 and $next and 2 of ($hide_*) and
        for any symbol in elf.dynsym : (
            (symbol.name == "readdir" or symbol.name == "readdir64") and symbol.shndx != 0
        )
}
