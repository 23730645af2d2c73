// Packed programs that hide how they were packed.

rule packer_altered_upx {
    meta:
        description = "Program packed with UPX whose marks were altered so that it cannot be unpacked"
        category = "other"
        weight = "sign"
        severity = "medium"
        confidence = "medium"
        maturity = "draft"
        technique = "T1027.002"
        prefilter = "PROT_WRITE failed|$Info: This file is packed|$Id: UPX "
    strings:
        $stub_1 = "PROT_EXEC|PROT_WRITE failed."
        $stub_2 = "$Info: This file is packed with the"
        $stub_3 = "$Id: UPX "
        $mark = "UPX!"
    condition:
        uint32(0) == 0x464c457f and any of ($stub_*) and #mark < 2 and not $mark in (filesize - 64 .. filesize)
}
