# The disk image: an ESP and a root of fixed size. It is built in a virtual
# machine, which needs KVM, and stays switchable by nixos-rebuild.
#
# makeDiskImage: nixos/lib/make-disk-image.nix of nixpkgs, handed in by the flake.
{
  config,
  lib,
  makeDiskImage,
  ...
}:
let
  mounts = import ../modules/storage/mounts.nix {
    inherit lib;
    inherit (config.odin) storage;
  };
in
{
  image.modules.raw-efi =
    {
      config,
      lib,
      pkgs,
      ...
    }:
    {
      image.baseName = "odin";
      virtualisation.diskSize = config.odin.storage.rootSize;
      # The rest of the disk belongs to the data partition; a root that grows
      # would leave it nothing. NixOS' image sets the opposite by mkDefault.
      boot.growPartition = false;
      # The image replaces all file systems by its own two; ours are put beside
      # them under the same priority.
      fileSystems = lib.mkImageMediaOverride mounts.fileSystems;
      # mkForce: NixOS' own call leaves the ESP at 256 MB, too small for the
      # kernels and initrds of three generations and the one being written.
      system.build.image = lib.mkForce (makeDiskImage {
        inherit config lib pkgs;
        inherit (config.virtualisation) diskSize;
        inherit (config.image) baseName format;
        partitionTableType = "efi";
        bootSize = "1024M";
        # Sources of nixpkgs, which an appliance has no use for.
        copyChannel = false;
      });
    };
}
