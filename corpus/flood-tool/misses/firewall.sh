#!/bin/sh
iptables -N SYN_FLOOD
iptables -A SYN_FLOOD -m limit --limit 10/s -j RETURN
iptables -N UDP_FLOOD
iptables -N ICMP_FLOOD
