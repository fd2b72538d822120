# How a new generation is taken up, judged, and given up.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  duration = types.strMatching "[0-9]+(s|m|h)";
in
{
  options.odin.upgrade = {
    deadline = mkOption {
      type = duration;
      default = "15m";
      example = "30m";
      description = ''
        How long a new generation has to prove itself after its first boot:
        units, node, bundle, GPUs. What is not well by then is given up, and the
        machine boots the old one. Shorter than the first import of the images
        takes, and every upgrade is given up.
      '';
    };

    steady = mkOption {
      type = duration;
      default = "30s";
      example = "5m";
      description = ''
        How long a new generation must be well without a break to be kept. It
        lies within the deadline; a pod that dies of memory after a minute is
        not seen in 30 seconds.
      '';
    };

    freshBackup = mkOption {
      type = duration;
      default = "1h";
      example = "10m";
      description = ''
        Up to which age the newest snapshot serves as the one before an upgrade.
        `odin upgrade apply` takes another when it is older, which prolongs the
        upgrade by a backup.
      '';
    };

    freeStoreMiB = mkOption {
      type = types.ints.unsigned;
      default = 2048;
      example = 8192;
      description = ''
        Free space that the store needs before a generation is staged. A switch
        with less is refused; zero finds out by running out of space.
      '';
    };

    freeBootMiB = mkOption {
      type = types.ints.unsigned;
      default = 96;
      example = 160;
      description = ''
        Free space that the boot partition needs: a kernel and an initrd of
        about this size are added by each generation. With less the boot menu
        can be left half written, and a switch is refused.
      '';
    };

    units = mkOption {
      type = types.listOf (types.strMatching "[^/ ]+\\.[a-z]+");
      default = [ "sshd.service" ];
      example = [
        "sshd.service"
        "wg-quick-site.service"
      ];
      description = ''
        Units that must be active in a new generation besides K3s' and ODIN's
        own, so that an upgrade that locks its owner out is given up. A unit
        that never becomes active fails every upgrade.
      '';
    };

    keepGenerations = mkOption {
      type = types.ints.between 2 10;
      default = 3;
      example = 5;
      description = ''
        How many generations stay in the boot menu and on the disk. Each takes
        several gigabytes of `odin.storage.rootSize`; fewer than two would leave
        nothing to go back to.
      '';
    };

    watchdog = mkOption {
      type = types.nullOr (types.strMatching "[0-9]+(s|m|min)");
      default = "30s";
      example = "2min";
      description = ''
        After how long without a sign of life of systemd the hardware resets the
        machine. Null: a generation that hangs stays until somebody comes.
      '';
    };

    trustedKeys = mkOption {
      type = types.listOf (types.strMatching "[^:]+:.+");
      default = [ ];
      example = [ "odin.example.com-1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" ];
      description = ''
        Public keys of those who may build generations for this machine. An
        upgrade from a medium is refused unless one of them signed every path;
        with none, upgrades from a medium are refused altogether.
      '';
    };
  };
}
