// Scripts that hand a shell to somebody else.

rule reverse_shell_script {
    meta:
        description = "Script that connects a shell to a remote address"
        category = "backdoor"
        weight = "sign"
        severity = "high"
        confidence = "high"
        maturity = "stable"
        technique = "T1059.004"
        prefilter = "/dev/tcp/|/dev/udp/|os.dup2|fsockopen|mkfifo "
    strings:
        $bash = /(ba|z|k)?sh\s+-i\s{0,4}[>&|]{1,3}\s{0,4}\/dev\/(tcp|udp)\/[A-Za-z0-9.$\{\}_\-]{4,80}\/[0-9$]/
        $bash_exec = /exec\s+[0-9]{1,3}<>\s?\/dev\/tcp\/[A-Za-z0-9.$\{\}_\-]{4,80}\/[0-9$]/
        $on_it = /sh\s{1,4}(-i\s{1,4})?[0-9]?[<>]&\s?[0-9]/
        $fifo = /mkfifo\s[^\n]{1,80}(\/bin\/)?sh\s+-i[^\n]{1,40}\|\s?(nc|ncat|openssl|telnet)\s/
        $python_connect = /socket\.socket\([^\n]{0,60}\)/
        $python_dup = /os\.dup2\(\w{1,16}\.fileno\(\),\s?[012]\)/
        $python_shell = /(subprocess\.(call|Popen|run)|pty\.spawn)\(\s?\[?\s?["'](\/bin\/)?(ba)?sh["']/
        $php = /fsockopen\([^\n;]{4,80}\)\s?;\s?(exec|shell_exec|system|passthru|popen|proc_open)\(["'](\/bin\/)?(ba)?sh -i/
        $mark_up = "```"
    condition:
        // A manual shows how it is done.
        not $mark_up and ($bash or ($bash_exec and $on_it) or $fifo or $php or ($python_connect and $python_dup and $python_shell))
}
