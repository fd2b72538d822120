# What this repository builds, from one package set.
{ pkgs }:
let
  inherit (pkgs) lib;

  # Documentation and tests of the lab do not rebuild the program.
  source =
    paths:
    lib.fileset.toSource {
      root = ../..;
      fileset = lib.fileset.unions paths;
    };

  odin = import ./odin.nix {
    inherit pkgs;
    src = source [
      ../../Cargo.toml
      ../../Cargo.lock
      ../../clippy.toml
      ../../rustfmt.toml
      ../../crates
    ];
  };
  images = import ../images/containers.nix { inherit pkgs; };
in
{
  inherit odin images;

  bundles = lib.genAttrs [ "dev" "lab" "prod" ] (
    overlay:
    import ./bundle.nix {
      inherit pkgs odin overlay;
      versions = lib.mapAttrs (_: image: image.imageTag) (
        lib.filterAttrs (_: image: image.versioned) images
      );
      manifests = source [ ../../manifests ] + "/manifests";
    }
  );
}
