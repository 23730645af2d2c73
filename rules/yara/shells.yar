// Scripts that hand a shell to somebody else.

rule reverse_shell_script {
    meta:
        description = "Script that connects a shell to a remote address"
        category = "backdoor"
        weight = "sign"
        severity = "high"
        confidence = "high"
        maturity = "draft"
        technique = "T1059.004"
        prefilter = "/dev/tcp/|/dev/udp/|os.dup2|fsockopen|mkfifo"
    strings:
        $bash = /(ba|z|k)?sh\s+-i\s{0,4}[>&|]{1,3}\s{0,4}\/dev\/(tcp|udp)\/[A-Za-z0-9.$\{\}_\-]{4,80}\/[0-9$]/
        $bash_exec = /exec\s+[0-9]{1,3}<>\s?\/dev\/tcp\/[A-Za-z0-9.$\{\}_\-]{4,80}\/[0-9$]/
        $fifo = /mkfifo\s[^\n]{1,80}(\/bin\/)?sh\s+-i[^\n]{1,40}\|\s?(nc|ncat|openssl|telnet)\s/
        $python_connect = /socket\.socket\([^\n]{0,60}\)/
        $python_dup = /os\.dup2\(\w{1,16}\.fileno\(\),\s?[012]\)/
        $python_shell = /(subprocess\.(call|Popen|run)|pty\.spawn)\(\s?\[?\s?["'](\/bin\/)?(ba)?sh["']/
        $php = /fsockopen\([^\n;]{4,80}\)\s?;\s?(exec|shell_exec|system|passthru|popen|proc_open)\(["'](\/bin\/)?(ba)?sh -i/
    condition:
        $bash or $bash_exec or $fifo or $php or ($python_connect and $python_dup and $python_shell)
}

rule web_shell {
    meta:
        description = "Web page that runs what a visitor sends"
        category = "backdoor"
        weight = "sign"
        severity = "high"
        confidence = "high"
        maturity = "draft"
        technique = "T1505.003"
        prefilter = "$_post|$_get|$_request|$_cookie|$_server|getparameter"
    strings:
        $php = "<?php" nocase
        $php_short = "<?="
        $run = /(eval|assert|system|exec|shell_exec|passthru|popen|proc_open)\s{0,4}\(\s{0,4}@?(base64_decode|gzinflate|str_rot13|stripslashes|trim)?\s{0,4}\(?\s{0,4}\$_(POST|GET|REQUEST|COOKIE|SERVER)\s{0,4}\[/ nocase
        $jsp = /Runtime\.getRuntime\(\)\.exec\(\s{0,4}request\.getParameter\(/
    condition:
        (any of ($php*) and $run) or $jsp
}
