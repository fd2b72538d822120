# What a machine is started from: the disk image, and the two ways to the
# installer that writes it.
#
# machine: the configuration that is on them.
{ lib, machine }:
let
  raw = machine.config.system.build.images.raw-efi;
  # No configuration of the flake: it has no disk of its own, so no system that
  # could be checked, only media.
  installer = lib.nixosSystem {
    modules = [
      ../profiles/installer.nix
      ./installer.nix
      {
        _module.args.diskImage = raw;
        nixpkgs.hostPlatform = "x86_64-linux";
      }
    ];
  };
  inherit (installer.config.system.build) images;
in
{
  inherit raw;
  iso = images.iso-installer;
  inherit (images) kexec;
}
