# Kernel modules that load by themselves with the first pod and the first network
# policy: ends of pods' networks, and what kube-proxy's and kube-router's rules
# match by. Where loading is locked once the system is up, they have to be there
# before.
[
  "veth"
  "nf_conntrack"
  "nft_compat"
  "nft_chain_nat"
  "ip_set"
  "ip_set_hash_ip"
  "ip_set_hash_net"
  "ipt_REJECT"
  "nfnetlink_log"
  "xt_addrtype"
  "xt_comment"
  "xt_conntrack"
  "xt_limit"
  "xt_mark"
  "xt_MASQUERADE"
  "xt_multiport"
  "xt_nat"
  "xt_NFLOG"
  "xt_physdev"
  "xt_REDIRECT"
  "xt_set"
  "xt_statistic"
  "xt_tcpudp"
]
