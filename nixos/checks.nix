# What `nix flake check` tries besides the VM tests.
{ pkgs, self }:
let
  inherit (pkgs) lib;
  parts = import ./packages { inherit pkgs; };
  inherit (parts) odin;

  # One command over the sources; its output is shown when it fails.
  over =
    name: tools: command:
    pkgs.runCommand "odin-${name}" { nativeBuildInputs = tools; } ''
      cd ${self}
      ${command}
      touch $out
    '';

  # The vendored sources of the package, another last step.
  cargo =
    name: tools: command:
    odin.overrideAttrs (old: {
      pname = "odin-${name}";
      nativeBuildInputs = old.nativeBuildInputs ++ tools;
      buildPhase = command;
      installPhase = "touch $out";
      postInstall = "";
    });

  images = pkgs.writeText "images.json" (
    builtins.toJSON (map (image: "${image.imageName}:${image.imageTag}") (lib.attrValues parts.images))
  );
  python = pkgs.python3.withPackages (packages: [ packages.pyyaml ]);

  # Each build runs `odin config check` and `odin bundle lint`.
  declarations = lib.mapAttrs' (
    name: system:
    lib.nameValuePair "declaration-${name}" system.config.environment.etc."odin/odin.toml".source
  ) self.nixosConfigurations;
in
declarations
// lib.mapAttrs' (name: lib.nameValuePair "bundle-${name}") parts.bundles
// {
  rustfmt = cargo "rustfmt" [ pkgs.rustfmt ] "cargo fmt --all --check";
  clippy = cargo "clippy" [
    pkgs.clippy
  ] "cargo clippy --offline --workspace --all-targets -- --deny warnings";
  # The crates whose tests need no root, no restic and no API server.
  tests = cargo "tests" [ ] "cargo test --offline --package odin-model --package odin-cluster";

  statix = over "statix" [ pkgs.statix ] "statix check .";
  deadnix = over "deadnix" [ pkgs.deadnix ] "deadnix --fail .";
  nixfmt = over "nixfmt" [ pkgs.nixfmt ] "find . -name '*.nix' -exec nixfmt --check {} +";

  images-agree = over "images-agree" [
    python
  ] "python tests/images_agree.py ${images} ${parts.bundles.dev} ${parts.bundles.prod}";

  reference = over "reference" [ ] ''
    diff ${
      pkgs.writeText "options.md" (import ./reference.nix { inherit lib; }).options
    } docs/reference/options.md
    diff ${
      pkgs.writeText "compatibility.md" (import ./reference.nix { inherit lib; }).compatibility
    } docs/reference/compatibility.md
  '';
}
