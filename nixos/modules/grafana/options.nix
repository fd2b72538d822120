# The first user of Grafana.
{ lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.odin.grafana = {
    adminPasswordFile = mkOption {
      type = types.nullOr types.externalPath;
      default = null;
      example = "/var/lib/odin/credentials/grafana-admin";
      description = ''
        File on the machine with the password of Grafana's user `admin`. Without
        it ODIN makes one; the guide to dashboards says where it is read. Grafana
        takes it for its first start only.
      '';
    };
  };
}
