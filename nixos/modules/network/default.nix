# systemd-networkd, and the firewall of a node.
{ config, lib, ... }:
let
  cfg = config.odin.network;
  cluster = config.odin.cluster;
  isServer = cluster.role == "server";
  several = cluster.servers != [ ] || cluster.agents;

  # docs.k3s.io, installation/requirements: inbound rules for nodes. And what
  # Prometheus, which runs on one of them, asks of all: node exporter, GPU metrics.
  betweenNodes = {
    allowedTCPPorts = [
      9100
      10250
    ]
    ++ lib.optional config.odin.gpu.enable config.odin.gpu.metricsPort
    # Prometheus asks the supervisor, and may run on another node.
    ++ lib.optional (isServer && config.odin.api.enable) config.odin.api.port
    ++ lib.optionals isServer [
      2379
      2380
    ];
    allowedUDPPorts = [ 8472 ];
  };
  # With a single network every interface is the cluster's.
  everywhere =
    if several && cluster.interface == null then
      betweenNodes
    else
      {
        allowedTCPPorts = [ ];
        allowedUDPPorts = [ ];
      };
in
{
  imports = [ ./options.nix ];

  config = lib.mkIf config.odin.enable {
    networking = {
      inherit (cfg) hostName;
      useNetworkd = true;
      useDHCP = false;
      nftables.enable = true;
      firewall = {
        enable = true;
        allowedTCPPorts = lib.optional isServer 6443 ++ everywhere.allowedTCPPorts;
        inherit (everywhere) allowedUDPPorts;
        # Pods reach the node and each other through these.
        trustedInterfaces = [
          "cni0"
          "flannel.1"
        ];
        # Answers of services come back through another interface than they left.
        checkReversePath = "loose";
        # What was turned away is the first question after "it does not connect".
        logRefusedConnections = lib.mkDefault true;
        interfaces = lib.mkIf (several && cluster.interface != null) {
          ${cluster.interface} = betweenNodes;
        };
      };
    };

    systemd.network = {
      enable = true;
      # A server that waits for every port it has waits for those without cable.
      wait-online.anyInterface = true;

      networks = {
        "20-odin-static" = lib.mkIf (cfg.static != null) {
          matchConfig.Name = cfg.static.interface;
          address = [ cfg.static.address ];
          gateway = lib.optional (cfg.static.gateway != null) cfg.static.gateway;
          dns = cfg.static.nameServers;
        };
        "90-odin-dhcp" = lib.mkIf (cfg.static == null) {
          matchConfig = {
            Type = "ether";
            # Not the ends of pods' network namespaces.
            Kind = "!*";
          };
          networkConfig.DHCP = "yes";
        };
        "95-odin-fallback" = lib.mkIf cfg.fallbackRoute {
          matchConfig.Name = "odin0";
          # docs.k3s.io, installation/airgap: a documentation address nobody has.
          address = [ "203.0.113.254/31" ];
          routes = [
            {
              Gateway = "203.0.113.255";
              Metric = 4294967295;
            }
          ];
          linkConfig.RequiredForOnline = "no";
        };
      };

      netdevs."95-odin-fallback" = lib.mkIf cfg.fallbackRoute {
        netdevConfig = {
          Name = "odin0";
          Kind = "dummy";
        };
      };
    };

    nix.settings.substituters = lib.mkIf cfg.airGapped (
      # mkForce: NixOS itself defines the public cache, and every build would
      # first wait for it.
      lib.mkForce [ ]
    );
  };
}
