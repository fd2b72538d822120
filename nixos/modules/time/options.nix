# Clocks: certificates, schedules and the age of snapshots depend on them.
{ lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.odin.time = {
    servers = mkOption {
      type = types.listOf types.nonEmptyStr;
      default = [ ];
      example = [ "10.0.0.2" ];
      description = ''
        NTP servers. Empty: the public pool of NixOS, and none at all with
        `odin.network.airGapped`; the machine then keeps its own time, and
        several servers drift apart until etcd warns.
      '';
    };

    zone = mkOption {
      type = types.nonEmptyStr;
      default = "UTC";
      example = "Europe/Berlin";
      description = "Time zone of schedules such as `odin.backup.schedule`, and of the journal.";
    };
  };
}
