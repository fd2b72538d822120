# Root is fixed and replaceable; data is the rest of the disk and stays.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.odin.storage;
  mounts = import ./mounts.nix {
    inherit lib;
    storage = cfg;
  };
  directories = pkgs.writeText "odin-directories.conf" (
    lib.concatMapStrings (directory: "d ${directory} 0700 root root\n") mounts.directories
  );
  isOwn = cfg.data.device == "/dev/disk/by-partlabel/odin-data";
in
{
  imports = [ ./options.nix ];

  config = lib.mkIf config.odin.enable {
    # Those of the image; nixos-rebuild on the machine must name the same.
    fileSystems = {
      "/" = {
        device = lib.mkDefault "/dev/disk/by-label/nixos";
        fsType = lib.mkDefault "ext4";
      };
      "/boot" = {
        device = lib.mkDefault "/dev/disk/by-label/ESP";
        fsType = lib.mkDefault "vfat";
        options = lib.mkDefault [ "umask=0077" ];
      };
    }
    // mounts.fileSystems;

    # At the first boot the rest of the disk becomes the data partition. Its
    # type is `srv`, which no partition of the image has: systemd-repart takes a
    # partition of the type it looks for as the one it is to make.
    boot.initrd.systemd.repart = {
      enable = isOwn;
      discard = false;
    };
    systemd.repart.partitions = lib.mkIf isOwn {
      "50-odin-data" = {
        Type = "srv";
        Label = "odin-data";
        Format = "ext4";
        SizeMinBytes = cfg.data.minimumSize;
        GrowFileSystem = true;
      };
    };

    # What is bound has to be there before it is mounted, on a data partition
    # made a moment ago as on one that was brought along.
    systemd.services.odin-directories = {
      description = "Directories of the data file systems";
      unitConfig = {
        DefaultDependencies = false;
        RequiresMountsFor = mounts.roots;
      };
      before = [ "local-fs.target" ];
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = "${config.systemd.package}/bin/systemd-tmpfiles --create ${directories}";
      };
    };

    # Without its data K3s would make an empty cluster on the root.
    systemd.services.k3s.unitConfig.RequiresMountsFor = lib.attrNames mounts.fileSystems;
    systemd.services.odin.unitConfig.RequiresMountsFor = [ "/var/lib/odin" ];

    services.fstrim.enable = lib.mkDefault true;

    services.smartd = lib.mkIf cfg.diskHealth {
      enable = true;
      # The journal is collected; nobody is logged in to read a wall message.
      notifications.wall.enable = false;
      # A machine whose disks have nothing to tell is no failure.
      extraOptions = [ "--quit=never" ];
    };
  };
}
