# The disk image: an ESP and a root of fixed size. It is built in a virtual
# machine, which needs KVM, and stays switchable by nixos-rebuild.
{ config, lib, ... }:
let
  mounts = import ../modules/storage/mounts.nix {
    inherit lib;
    inherit (config.odin) storage;
  };
in
{
  image.modules.raw-efi =
    { lib, ... }:
    {
      image.baseName = "odin";
      virtualisation.diskSize = config.odin.storage.rootSize;
      # The rest of the disk belongs to the data partition; a root that grows
      # would leave it nothing. NixOS' image sets the opposite by mkDefault.
      boot.growPartition = false;
      # The image replaces all file systems by its own two; ours are put beside
      # them under the same priority.
      fileSystems = lib.mkImageMediaOverride mounts.fileSystems;
    };
}
