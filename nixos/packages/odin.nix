# The program and its units. Every dependency is fetched by the checksum in
# Cargo.lock, so no hash of the whole is kept here.
{ pkgs, src }:
let
  inherit (pkgs) lib;
  manifest = lib.importTOML ../../Cargo.toml;
in
pkgs.rustPlatform.buildRustPackage {
  pname = "odin";
  inherit (manifest.workspace.package) version;
  inherit src;

  cargoLock.lockFile = ../../Cargo.lock;
  cargoBuildFlags = [
    "--package"
    "odin"
  ];
  # The tests have checks of their own in the flake; a fix of an image must not
  # wait for them.
  doCheck = false;

  postInstall = ''
    install -D --mode 0644 --target-directory $out/lib/systemd/system crates/odin/units/*.service
    substituteInPlace $out/lib/systemd/system/*.service --replace-quiet @odin@ $out/bin/odin
  '';

  meta = {
    description = "Supervisor of GPU appliances: apply, drift, backup, restore";
    license = lib.licenses.asl20;
    mainProgram = "odin";
    platforms = lib.platforms.linux;
  };
}
