# How the machine reaches others, or does not.
{ lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.odin.network = {
    hostName = mkOption {
      type = types.strMatching "^$|^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$";
      default = "";
      example = "gpu-01";
      description = ''
        Name of the machine and of its node. Empty: `host.name` of the host's
        `site.toml`, which `odin-host.service` writes to `/etc/hostname` at every
        boot, or the one DHCP gives where there is none. Two nodes of a cluster
        may not share a name, and a changed name is a new node.
      '';
    };

    static = mkOption {
      type = types.nullOr (
        types.submodule {
          options = {
            interface = mkOption {
              type = types.nonEmptyStr;
              example = "eno1";
              description = "Interface that gets the address.";
            };
            address = mkOption {
              type = types.strMatching ".+/[0-9]+";
              example = "10.0.0.11/24";
              description = "Address with the length of its prefix.";
            };
            gateway = mkOption {
              type = types.nullOr types.nonEmptyStr;
              default = null;
              example = "10.0.0.1";
              description = "Default gateway; null on a network that leads nowhere.";
            };
            nameServers = mkOption {
              type = types.listOf types.nonEmptyStr;
              default = [ ];
              example = [ "10.0.0.2" ];
              description = "Name servers of this interface.";
            };
          };
        }
      );
      default = null;
      example = {
        interface = "eno1";
        address = "10.0.0.11/24";
        gateway = "10.0.0.1";
      };
      description = ''
        A fixed address. Null: DHCP on every wired interface. A cluster of
        several servers needs fixed ones, for its certificates and its datastore
        name them.
      '';
    };

    airGapped = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = ''
        Whether the machine has no way out. Nix then asks no cache and takes
        closures from a medium only; time comes from `odin.time.servers` or the
        machine's own clock.
      '';
    };

    fallbackRoute = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = ''
        Gives the machine a default route of lowest preference into nothing. K3s
        does not start without a default route, so without this a pulled cable
        at boot means no cluster.
      '';
    };
  };
}
