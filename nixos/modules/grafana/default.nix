# The Secret without which Grafana's pod does not start.
{ config, lib, ... }:
let
  cfg = config.odin.grafana;
  secret = {
    namespace = "monitoring";
    name = "grafana-admin";
  };
in
{
  imports = [ ./options.nix ];

  config = lib.mkIf (config.odin.enable && config.odin.cluster.role == "server") {
    odin.secrets = [
      (
        secret
        // {
          key = "admin-password";
        }
        // (if cfg.adminPasswordFile == null then { generate = 16; } else { file = cfg.adminPasswordFile; })
      )
      # Encrypts what Grafana keeps in its database.
      (
        secret
        // {
          key = "secret-key";
          generate = 32;
        }
      )
    ];
  };
}
