// Remote-controlled flooding programs of the families that share Gafgyt's and Mirai's leaked sources.

rule flooder_commands {
    meta:
        description = "Remote-controlled flooder: command words of the Gafgyt family"
        category = "ddos"
        weight = "proof"
        severity = "critical"
        confidence = "medium"
        maturity = "stable"
        technique = "T1498, T1499"
        prefilter = "udpflood|tcpflood|stdflood|httpflood|junkflood|holdflood|vseflood"
    strings:
        $flood_1 = "UDPFLOOD" nocase
        $flood_2 = "TCPFLOOD" nocase
        $flood_3 = "STDFLOOD" nocase
        $flood_4 = "HTTPFLOOD" nocase
        $flood_5 = "JUNKFLOOD" nocase
        $flood_6 = "HOLDFLOOD" nocase
        $flood_7 = "VSEFLOOD" nocase
        $control_1 = "KILLATTK"
        $control_2 = "LOLNOGTFO"
        $control_3 = "PING"
        $control_4 = "PONG!"
        $control_5 = "GETLOCALIP"
        $control_6 = "/proc/net/route"
    condition:
        uint32(0) == 0x464c457f and 2 of ($flood_*) and 2 of ($control_*)
}

rule flooder_telnet_spreader {
    meta:
        description = "Bot that spreads by telnet: login list, watchdog and busybox probe together"
        category = "worm"
        weight = "proof"
        severity = "critical"
        confidence = "medium"
        maturity = "stable"
        technique = "T1110.001, T1498"
        prefilter = "applet not found|CRRNGV|5$$81 |$55) 1|VGG[RC"
    strings:
        // Plain, or with every byte xor one key as the leaked source keeps its table. "applet" then reads "CRRNGV" (0x22, the
        // leaked key), "5$$81 " (0x54), "$55) 1" (0x45) or "VGG[RC" (0x37): keys of descendants that were described in public.
        $answer = "applet not found"
        $answer_hidden = "applet not found" xor(0x22-0x54)
        $watchdog = "/dev/watchdog"
        $watchdog_hidden = "/dev/watchdog" xor(0x22-0x54)
        $shell_1 = "linuxshell"
        $shell_2 = "/bin/busybox MIRAI"
        $shell_hidden_1 = "/bin/busybox MIRAI" xor(0x22-0x54)
        $shell_hidden_2 = "linuxshell" xor(0x22-0x54)
        $login_1 = "xc3511"
        $login_2 = "7ujMko0"
        $login_3 = "juantech"
        $login_4 = "Zte521"
        $login_hidden_1 = "xc3511" xor(0x22-0x54)
        $login_hidden_2 = "7ujMko0" xor(0x22-0x54)
        $login_hidden_3 = "juantech" xor(0x22-0x54)
        $login_hidden_4 = "Zte521" xor(0x22-0x54)
    condition:
        uint32(0) == 0x464c457f and any of ($answer*) and any of ($watchdog*) and (any of ($shell_*) or 2 of ($login_*))
}
