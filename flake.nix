# Wiring only: which parts there are, for which systems.
{
  description = "ODIN: a GPU server as an appliance";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      x86 = "x86_64-linux";
      # The program, bundles and containers build on both; disk images and their
      # drivers are x86_64's.
      systems = [
        x86
        "aarch64-linux"
      ];
      onEach = make: lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
      on86 = pkgs: lib.optionalAttrs (pkgs.stdenv.hostPlatform.system == x86);
      prefixed = prefix: lib.mapAttrs' (name: lib.nameValuePair "${prefix}-${name}");
      partsOf = pkgs: import ./nixos/packages { inherit pkgs; };
      diskImages = self.lib.images self.nixosConfigurations.server;
    in
    {
      nixosModules.default = ./nixos;

      # For machines of one's own: docs/guides/install.md.
      lib = {
        appliance =
          modules:
          lib.nixosSystem {
            modules = modules ++ [
              self.nixosModules.default
              ./nixos/images/disk.nix
              {
                nixpkgs.hostPlatform = x86;
                _module.args.makeDiskImage = import "${nixpkgs}/nixos/lib/make-disk-image.nix";
              }
            ];
          };
        images = machine: import ./nixos/images { inherit lib machine; };
      };

      nixosConfigurations = lib.mapAttrs (_: self.lib.appliance) (import ./nixos/configurations.nix);

      packages = onEach (
        pkgs:
        let
          parts = partsOf pkgs;
        in
        {
          inherit (parts) odin;
          default = parts.odin;
        }
        // prefixed "bundle" parts.bundles
        // prefixed "container" parts.images
        // on86 pkgs (prefixed "image" diskImages)
      );

      checks = onEach (
        pkgs:
        import ./nixos/checks.nix { inherit pkgs self; }
        // on86 pkgs (prefixed "vm" (import ./tests/vm { inherit pkgs self; }))
      );

      devShells = onEach (pkgs: {
        default = import ./nixos/shell.nix { inherit pkgs; };
      });

      formatter = onEach (pkgs: pkgs.nixfmt-tree);

      apps = onEach (
        pkgs:
        on86 pkgs (
          lib.mapAttrs
            (_: app: {
              type = "app";
              program = lib.getExe app.program;
              meta = { inherit (app) description; };
            })
            {
              vm = {
                program = self.nixosConfigurations.dev.config.system.build.vm;
                description = "Runs the dev configuration in a virtual machine";
              };
              flash = {
                program = import ./nixos/packages/flash.nix {
                  inherit pkgs;
                  inherit (partsOf pkgs) odin;
                  image = diskImages.raw;
                };
                description = "Writes the disk image to a disk, after showing what is on it";
              };
            }
        )
      );
    };
}
