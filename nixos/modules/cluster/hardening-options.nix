# What of the CIS benchmark an owner may have to relax.
{ lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  yaml = pkgs.formats.json { };
in
{
  options.odin.cluster = {
    podSecurity = {
      enforce = mkOption {
        type = types.enum [
          "privileged"
          "baseline"
          "restricted"
        ];
        default = "restricted";
        example = "baseline";
        description = ''
          Pod Security level of namespaces that declare none. The bundle's
          namespaces declare theirs. Weaker than `restricted`, and a pod in a
          namespace somebody made by hand may run as root.
        '';
      };
      exemptNamespaces = mkOption {
        type = types.listOf types.nonEmptyStr;
        default = [ "kube-system" ];
        example = [
          "kube-system"
          "longhorn-system"
        ];
        description = "Namespaces no level is enforced in; a pod there may own the node.";
      };
    };

    auditLog = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = ''
        Whether the API server records who changed what, 30 days, at most ten
        files of 100 MB, in `/var/lib/rancher/k3s/server/logs`.
      '';
    };

    encryptSecrets = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = ''
        Whether Secrets are encrypted in the datastore. The key lies on the
        same machine and in every backup: this protects a stolen datastore
        file, not a stolen machine. Cannot be changed on a running cluster
        without `k3s secrets-encrypt`.
      '';
    };

    settings = mkOption {
      inherit (yaml) type;
      default = { };
      example = {
        cluster-cidr = "10.142.0.0/16";
        service-cidr = "10.143.0.0/16";
      };
      description = ''
        Further keys of K3s' configuration file, beside those that other
        options make; lists add up, a key that both make is a conflict. An
        unknown key stops K3s from starting.
      '';
    };
  };
}
