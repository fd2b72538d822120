# What a machine is started from: the disk image, and the two ways to the
# installer that writes it.
{ nixosConfigurations }:
let
  raw = nixosConfigurations.server.config.system.build.images.raw-efi;
  installer = nixosConfigurations.installer.extendModules {
    modules = [ (import ./installer.nix { rawImage = raw; }) ];
  };
in
{
  inherit raw;
  iso = installer.config.system.build.images.iso-installer;
  kexec = installer.config.system.build.images.kexec;
}
