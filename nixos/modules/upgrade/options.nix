# How a new generation is taken up, judged, and given up.
{ lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.odin.upgrade = {
    deadline = mkOption {
      type = types.strMatching "[0-9]+(s|m|h)";
      default = "15m";
      example = "30m";
      description = ''
        How long a new generation has to prove itself after its first boot:
        units, node, bundle, GPUs. What is not well by then is given up, and the
        machine boots the old one. Shorter than the first import of the images
        takes, and every upgrade is given up.
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
