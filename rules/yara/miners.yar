// Programs and settings that mine a cryptocurrency, recognised by what they must hold, not by their names.

rule miner_program {
    meta:
        description = "Mining program: algorithms, pool protocol and options together"
        category = "cryptominer"
        weight = "proof"
        severity = "high"
        confidence = "high"
        maturity = "stable"
        technique = "T1496.001"
        prefilter = "stratum+tcp://|stratum+ssl://|mining.subscribe|mining.authorize"
    strings:
        $protocol_1 = "stratum+tcp://"
        $protocol_2 = "stratum+ssl://"
        $protocol_3 = "mining.subscribe"
        $protocol_4 = "mining.authorize"
        $algorithm_1 = "cryptonight" nocase
        $algorithm_2 = "rx/wow"
        $algorithm_3 = "rx/arq"
        $algorithm_4 = "randomx_" nocase
        $algorithm_5 = "cn/gpu"
        $algorithm_6 = "kawpow" nocase
        $algorithm_7 = "ethash" nocase
        $algorithm_8 = "argon2/chukwa"
        $option_1 = "donate-level"
        $option_2 = "donate-over-proxy"
        $option_3 = "cpu-max-threads-hint"
        $option_4 = "huge-pages-jit"
        $option_5 = "randomx-1gb-pages"
        $option_6 = "nicehash"
        $option_7 = "--algo"
    condition:
        uint32(0) == 0x464c457f and any of ($protocol_*) and 2 of ($algorithm_*) and 2 of ($option_*)
}

rule miner_config {
    // A fact: whether the user is an example or somebody who is paid is for the detector of the same name to tell.
    meta:
        description = "Settings of a mining program: pool, user and algorithm"
        category = "cryptominer"
        weight = "fact"
        severity = "info"
        confidence = "high"
        maturity = "draft"
        technique = "T1496.001"
        prefilter = "donate-level|max-threads-hint|nicehash|rig-id|randomx"
    strings:
        $pools = "\"pools\""
        $url = /"url"\s{0,4}:\s{0,4}"(stratum\+(tcp|ssl):\/\/)?[A-Za-z0-9.\-]{4,80}:[0-9]{2,5}"/
        $user = /"user"\s{0,4}:/
        $option_1 = "\"donate-level\""
        $option_2 = "\"randomx\""
        $option_3 = "\"max-threads-hint\""
        $option_4 = "\"nicehash\""
        $option_5 = "\"rig-id\""
        $option_6 = "\"huge-pages\""
    condition:
        $pools and $url and $user and 2 of ($option_*)
}
