// Programs that let themselves in on other machines and leave a copy there.

rule worm_login_guesser {
    meta:
        description = "Guesses logins and loads itself where one fits"
        category = "worm"
        weight = "proof"
        severity = "critical"
        confidence = "medium"
        maturity = "stable"
        technique = "T1110.001, T1021.004, T1105"
        prefilter = "uname -s -v -n -r -m|&& chmod 777 .|; chmod 777 |; rm -rf ."
    strings:
        // It logs in: a library for it, or the answers it waits for.
        $login_1 = "libssh2_session_init"
        $login_2 = "SSH-2.0-Go"
        $login_3 = "golang.org/x/crypto/ssh"
        $login_4 = "StrictHostKeyChecking=no"
        $login_5 = "ssword:"
        // What it guesses.
        $word_1 = "admin123"
        $word_2 = "root@123"
        $word_3 = "P@ssw0rd"
        $word_4 = "1qaz2wsx"
        $word_5 = "raspberry"
        $word_6 = "letmein"
        $word_7 = "changeme"
        $word_8 = "qwerty"
        $word_9 = "12345678"
        $word_10 = "xc3511"
        $word_11 = "7ujMko0"
        // What it asks the machine first.
        $probe_1 = /\/bin\/busybox [A-Z0-9]{4,8}\b/
        $probe_2 = "uname -s -v -n -r -m"
        $probe_3 = "/proc/cpuinfo | grep name"
        // What it leaves there.
        $load_1 = "cd /tmp || cd /var/run"
        $load_2 = /(wget|curl|tftp) [^\x00\n]{0,120}chmod (777|\+x) /
        $load_3 = /; ?rm -rf \.[\w.]*\x00/
    condition:
        uint32(0) == 0x464c457f and any of ($login_*) and 4 of ($word_*) and any of ($probe_*) and 2 of ($load_*)
}

rule worm_redis_module {
    meta:
        description = "Makes open Redis servers load a module or write a job of its own"
        category = "worm"
        weight = "proof"
        severity = "critical"
        confidence = "high"
        maturity = "stable"
        technique = "T1210, T1505, T1053.003"
        prefilter = "system.exec|luaopen_io|SLAVEOF NO ONE|+FULLRESYNC"
    strings:
        // Commands as they go over the wire. Servers and client libraries put theirs together at run time.
        $wire_1 = "\r\nSLAVEOF\r\n" nocase
        $wire_2 = "\r\nMODULE\r\n$4\r\nLOAD\r\n" nocase
        $wire_3 = "\r\nSET\r\n$3\r\ndir\r\n" nocase
        $wire_4 = "\r\nsystem.exec\r\n" nocase
        $run_1 = "system.exec"
        $run_2 = "/var/spool/cron"
        $run_3 = "/dev/tcp/"
        $run_4 = "authorized_keys"
        $run_5 = "luaopen_io"
        $run_6 = "MODULE UNLOAD"
    condition:
        uint32(0) == 0x464c457f and 2 of ($wire_*) and 2 of ($run_*)
}
