# services.k3s, from what is declared.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.odin.cluster;
  bundled = import ../../images/containers.nix { inherit pkgs; };
  isServer = cfg.role == "server";
  highlyAvailable = isServer && cfg.servers != [ ];
  first = lib.head cfg.servers;
  isFirst = highlyAvailable && cfg.address == first;
  joins = cfg.servers != [ ] && !isFirst;
in
{
  imports = [
    ./options.nix
    ./assertions.nix
    ./server.nix
  ];

  config = lib.mkIf config.odin.enable {
    services.k3s = {
      enable = true;
      # The minor is pinned: a release must not carry another than its lab runs
      # (tests/nix compares them).
      package = pkgs.k3s_1_35;
      inherit (cfg) role tokenFile;
      clusterInit = isFirst;
      serverAddr = lib.optionalString joins "https://${first}:6443";
      nodeIP = cfg.address;
      nodeLabel = cfg.labels;
      nodeTaint = cfg.taints;
      disable = lib.mkIf isServer cfg.disabledComponents;

      # K3s pins what it imports from here (io.cri-containerd.pinned), so the
      # kubelet's image collection leaves it alone.
      images = [
        config.services.k3s.package.airgap-images
      ]
      ++ lib.attrValues bundled
      ++ config.odin.images;

      gracefulNodeShutdown = {
        enable = true;
        shutdownGracePeriod = cfg.shutdown.gracePeriod;
        shutdownGracePeriodCriticalPods = cfg.shutdown.criticalGracePeriod;
      };

      extraKubeletConfig = {
        systemReserved = cfg.reserved.system;
        kubeReserved = cfg.reserved.kubernetes;
        # Evict before the disk is full: a datastore without space stops the box.
        evictionHard = {
          "memory.available" = "500Mi";
          "nodefs.available" = "5%";
          "imagefs.available" = "5%";
          "nodefs.inodesFree" = "5%";
        };
        streamingConnectionIdleTimeout = "5m";
        tlsCipherSuites = [
          "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
          "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
          "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305"
          "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
          "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"
          "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305"
        ];
      };

      configPath = (pkgs.formats.json { }).generate "k3s-config.yaml" cfg.settings;
    };

    # The kubelet's inhibitor holds a shutdown only as long as logind allows.
    services.logind.settings.Login.InhibitDelayMaxSec = cfg.shutdown.gracePeriod;

    odin.cluster.settings = {
      # The kubelet refuses to start when the sysctls of the hardening module
      # are not what it expects, instead of changing them behind its back.
      protect-kernel-defaults = config.odin.hardening.enable;
      flannel-iface = lib.mkIf (cfg.interface != null) cfg.interface;
    };

    # Loaded early: with module loading locked they could not be loaded later.
    boot.kernelModules = [
      "br_netfilter"
      "overlay"
      "vxlan"
    ]
    ++ lib.optionals config.odin.hardening.lockKernelModules (import ./pod-modules.nix);

    # kubectl, crictl, ctr and k3s-killall.sh.
    environment.systemPackages = [ config.services.k3s.package ];
    environment.variables.KUBECONFIG = "/etc/rancher/k3s/k3s.yaml";
  };
}
