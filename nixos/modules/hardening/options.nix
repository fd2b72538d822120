# Hardening of the host; that of the cluster is in odin.cluster.
{ lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.odin.hardening = {
    enable = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = ''
        The CIS host settings for K3s and the stricter defaults of the system.
        When false the kubelet also stops insisting on the settings.
      '';
    };

    audit = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = ''
        Whether the kernel records changes of identities, of the time, of
        modules and of generations, and what ran as root for somebody else, in
        `/var/log/audit`. What happens in the cluster is in
        `odin.cluster.auditLog`.
      '';
    };

    lockKernelModules = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = ''
        Refuses to load kernel modules once the system is up. Hardware that is
        plugged in later stays without a driver, and a network plugin that
        wants a module of its own fails; the modules ODIN knows of are loaded
        before.
      '';
    };
  };
}
