# CIS settings of the host; sysctls after the hardening guide of K3s
# (docs.k3s.io, security/hardening-guide).
{ config, lib, ... }:
let
  cfg = config.odin.hardening;
in
{
  imports = [
    ./options.nix
    ./audit.nix
  ];

  config = lib.mkIf (config.odin.enable && cfg.enable) {
    boot.kernel.sysctl = {
      # The kubelet wants these four exactly so (protect-kernel-defaults).
      "vm.panic_on_oom" = 0;
      "vm.overcommit_memory" = 1;
      "kernel.panic" = 10;
      "kernel.panic_on_oops" = 1;

      "kernel.dmesg_restrict" = 1;
      "kernel.kptr_restrict" = 2;
      "kernel.unprivileged_bpf_disabled" = 1;
      "kernel.yama.ptrace_scope" = 1;
      "net.core.bpf_jit_harden" = 2;
      "fs.protected_fifos" = 2;
      "fs.protected_regular" = 2;
      "fs.suid_dumpable" = 0;
      "net.ipv4.conf.all.accept_redirects" = 0;
      "net.ipv4.conf.default.accept_redirects" = 0;
      "net.ipv4.conf.all.secure_redirects" = 0;
      "net.ipv4.conf.all.send_redirects" = 0;
      "net.ipv4.conf.all.accept_source_route" = 0;
      "net.ipv4.conf.all.log_martians" = 1;
      "net.ipv4.icmp_echo_ignore_broadcasts" = 1;
      "net.ipv6.conf.all.accept_redirects" = 0;
      "net.ipv6.conf.default.accept_redirects" = 0;

      # One watch a file that is followed, of every pod: the defaults end with a
      # few hundred pods, as errors nobody connects with them.
      "fs.inotify.max_user_instances" = 8192;
      "fs.inotify.max_user_watches" = 1048576;
    };

    boot.loader.systemd-boot.editor = false;
    boot.blacklistedKernelModules = [
      "dccp"
      "firewire-core"
      "rds"
      "sctp"
      "tipc"
    ];

    security = {
      inherit (cfg) lockKernelModules;
      # kexec would start a kernel nobody chose; the installer is another system.
      protectKernelImage = true;
    };

    # Dumps of pods hold the memory of strangers, their keys among it.
    systemd.coredump.settings.Coredump = {
      Storage = "none";
      ProcessSizeMax = 0;
    };

    # Who may ask Nix to do something as root: root.
    nix.settings = {
      allowed-users = [
        "root"
        "@wheel"
      ];
      trusted-users = [ "root" ];
      require-sigs = true;
    };

    environment.defaultPackages = lib.mkDefault [ ];
  };
}
