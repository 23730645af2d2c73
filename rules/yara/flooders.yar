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

rule flooder_table_bot {
    meta:
        description = "Bot that floods: what it sends and how it logs in, in one program"
        category = "ddos"
        weight = "proof"
        severity = "critical"
        confidence = "medium"
        maturity = "stable"
        technique = "T1498, T1110.001"
        prefilter = "applet not found|CRRNGV|5$$81 |$55) 1|VGG[RC"
    strings:
        // As in flooder_telnet_spreader, and the payloads and commands of the attacks that the same table holds.
        $answer = "applet not found"
        $answer_hidden = "applet not found" xor(0x22-0x54)
        $watchdog = "/dev/watchdog"
        $watchdog_hidden = "/dev/watchdog" xor(0x22-0x54)
        $flood_1 = "TSource Engine Query"
        $flood_2 = "HTTPFLOOD"
        $flood_3 = "LOLNOGTFO"
        $flood_4 = "attack_udp_"
        $flood_hidden_1 = "TSource Engine Query" xor(0x22-0x54)
        $flood_hidden_2 = "HTTPFLOOD" xor(0x22-0x54)
        $flood_hidden_3 = "LOLNOGTFO" xor(0x22-0x54)
    condition:
        uint32(0) == 0x464c457f and any of ($answer*) and any of ($watchdog*) and any of ($flood_*)
}

rule flooder_irc {
    meta:
        description = "Flooder commanded over IRC: its help in notices"
        category = "ddos"
        weight = "proof"
        severity = "critical"
        confidence = "high"
        maturity = "stable"
        technique = "T1498, T1071"
        prefilter = "GETSPOOFS|<target> <port> <secs>|<target> <secs>|all current packeting"
    strings:
        $notice = "NOTICE %s :"
        $irc_1 = "PRIVMSG"
        $irc_2 = "NICK %s"
        $irc_3 = "JOIN %s"
        $irc_4 = "MODE %s"
        $help_1 = "<target> <port> <secs>"
        $help_2 = "<target> <secs>"
        $packet_1 = "GETSPOOFS"
        $packet_2 = "acketing"
        $packet_3 = "acketer"
        $packet_4 = "non-spoof"
        $packet_5 = "syn flooder"
        $packet_6 = "udp flooder"
    condition:
        uint32(0) == 0x464c457f and $notice and 2 of ($irc_*) and any of ($help_*) and 2 of ($packet_*)
}

rule flooder_xor_key {
    meta:
        description = "Flooder that hides its configuration under the key of the XorDDoS family"
        category = "ddos"
        weight = "proof"
        severity = "critical"
        confidence = "high"
        maturity = "stable"
        technique = "T1498, T1053.003, T1014"
        prefilter = "BB2FA36AAA9541F0|&denyip=|&rmfile=|build_syn"
    strings:
        // Key, task names, answer to its server and start script: all described in public reports since 2014.
        $key = "BB2FA36AAA9541F0"
        $order_1 = "&denyip="
        $order_2 = "&rmfile="
        $task_1 = "build_syn"
        $task_2 = "build_ack"
        $task_3 = "build_dns"
        $task_4 = "fix_syn"
        $task_5 = "fix_dns"
        $task_6 = "add_task"
        $persist_1 = "/lib/libudev.so.6"
        $persist_2 = "/etc/cron.hourly/"
        $persist_3 = "do ifconfig $i up&"
    condition:
        uint32(0) == 0x464c457f and 3 of ($key, $order_1, $order_2, $persist_*) and ($key or 3 of ($task_*))
}
