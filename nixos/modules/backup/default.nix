# `[backup]` of odin.toml.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.odin.backup;
  inherit (config.odin) cluster;
  several = cluster.servers != [ ];
  certificates = "/var/lib/rancher/k3s/server/tls/etcd";

  # TOML has no null: what is not declared is left out.
  present = lib.filterAttrs (_: value: value != null);

  repositories = [ cfg.repository ] ++ map (copy: copy.repository) cfg.copies;
in
{
  imports = [ ./options.nix ];

  config = lib.mkIf (config.odin.enable && cluster.role == "server") {
    assertions = [
      {
        assertion = cfg.enable -> cfg.passwordFile != null;
        message = "odin.backup.passwordFile = null with odin.backup.enable = true: a repository without a password is not made; name a file on the machine";
      }
      {
        assertion = cfg.enable -> lib.allUnique repositories;
        message = "odin.backup.copies: one of ${builtins.toJSON repositories} is named twice; a copy lies elsewhere";
      }
      {
        assertion = lib.allUnique (map (copy: copy.name) cfg.copies);
        message = "odin.backup.copies: a name is used twice in ${
          builtins.toJSON (map (copy: copy.name) cfg.copies)
        }";
      }
    ];

    warnings =
      lib.optional (!cfg.enable)
        "odin.backup.enable = false: nothing of this machine is backed up, and an upgrade has no snapshot to go back to";

    odin.settings.backup = lib.mkIf cfg.enable (
      present {
        inherit (cfg) repository schedule;
        password-file = cfg.passwordFile;
        maximum-age = cfg.maximumAge;
      }
      // {
        inherit (cfg) retention;
        drill = present {
          inherit (cfg.drill) schedule;
          maximum-age = cfg.drill.maximumAge;
        };
        check = present {
          inherit (cfg.check) schedule;
          read-data = cfg.check.readData;
        };
        prune = present {
          inherit (cfg.prune) schedule;
          max-unused = cfg.prune.maxUnused;
        };
      }
      // lib.optionalAttrs (cfg.copies != [ ]) {
        copies = map (
          copy:
          present {
            inherit (copy) name repository schedule;
            password-file = copy.passwordFile;
          }
        ) cfg.copies;
      }
      // lib.optionalAttrs (cfg.sources != [ ]) { inherit (cfg) sources; }
      // lib.optionalAttrs (cfg.volumes != [ ]) { inherit (cfg) volumes; }
      // lib.optionalAttrs several {
        # Embedded etcd: through its own port, with K3s' client certificate.
        etcd.snapshot-command = [
          (lib.getExe' pkgs.etcd "etcdctl")
          "--endpoints=https://127.0.0.1:2379"
          "--cacert=${certificates}/server-ca.crt"
          "--cert=${certificates}/client.crt"
          "--key=${certificates}/client.key"
          "snapshot"
          "save"
          "{}"
        ];
      }
    );
  };
}
