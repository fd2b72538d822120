# Disks: what lies where.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  size = types.strMatching "[0-9]+[MGT]";
in
{
  options.odin.storage = {
    rootSize = mkOption {
      type = types.ints.between 16384 1048576;
      default = 65536;
      example = 98304;
      description = ''
        Size of the root file system of the image in MiB. It is fixed when the
        image is built and holds the store: three generations, each with the
        driver, K3s and every container image. Too small, and an upgrade is
        refused for space.
      '';
    };

    data = {
      device = mkOption {
        type = types.strMatching "/dev/.+";
        default = "/dev/disk/by-partlabel/odin-data";
        example = "/dev/disk/by-label/bulk";
        description = ''
          File system with everything that outlives a generation, mounted at
          `/srv`. The default is the rest of the system's disk, made at the
          first boot; another one must exist, formatted as ext4.
        '';
      };

      minimumSize = mkOption {
        type = size;
        default = "32G";
        example = "500G";
        description = ''
          What the data partition needs at least. On a smaller disk it is not
          made, and the machine starts without K3s rather than filling its root.
        '';
      };
    };

    fast = {
      device = mkOption {
        type = types.nullOr (types.strMatching "/dev/.+");
        default = null;
        example = "/dev/disk/by-label/nvme";
        description = ''
          A second, faster file system (ext4, made before), mounted at
          `/srv/fast`. Null: everything lies on the data file system.
        '';
      };

      directories = mkOption {
        type = types.listOf (types.strMatching "/var/lib/.+");
        default = [ "/var/lib/rancher/k3s/storage" ];
        example = [
          "/var/lib/rancher/k3s/storage"
          "/var/lib/rancher/k3s/server/db"
        ];
        description = ''
          What lies on the fast file system, when there is one. The default is
          the pods' volumes, among them all time series. Data that is there
          already does not move by itself: restore a backup after the change.
        '';
      };
    };

    diskHealth = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = ''
        Whether smartd watches the disks and writes what it finds to the
        journal. Off in virtual machines, whose disks have nothing to tell.
      '';
    };
  };
}
