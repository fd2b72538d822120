# Every VM test, by the name of its file.
{ pkgs, self }:
let
  inherit (pkgs) lib;
  isTest = name: lib.hasSuffix ".nix" name && name != "default.nix" && name != "machine.nix";

  instrumented =
    { modulesPath, ... }:
    {
      imports = [ "${modulesPath}/testing/test-instrumentation.nix" ];
    };
  installedImage =
    (self.nixosConfigurations.dev.extendModules { modules = [ instrumented ]; })
    .config.system.build.images.raw-efi;

  files = lib.filter isTest (lib.attrNames (builtins.readDir ./.));
in
lib.listToAttrs (
  map (
    file:
    lib.nameValuePair (lib.removeSuffix ".nix" file) (
      pkgs.testers.runNixOSTest {
        imports = [ (./. + "/${file}") ];
        _module.args = { inherit installedImage; };
      }
    )
  ) files
)
