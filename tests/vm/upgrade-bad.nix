# Three generations that are worse, each in its own way: one does not boot, one
# breaks K3s, one breaks a component. All three times the machine comes back by
# itself with the old one, once, and says why.
{
  name = "upgrade-bad";
  globalTimeout = 14400;
  # The driver's checker cannot follow the import of the scenarios.
  skipTypeCheck = true;

  nodes.machine =
    { lib, pkgs, ... }:
    {
      imports = [ ./machine.nix ];
      virtualisation.useBootLoader = true;
      virtualisation.useEFIBoot = true;
      specialisation = {
        no-boot.configuration.boot.initrd.systemd.services.unbootable = {
          requiredBy = [ "initrd.target" ];
          unitConfig.OnFailure = "emergency.target";
          serviceConfig.ExecStart = "/nonexistent";
        };
        no-k3s.configuration.systemd.services.k3s.serviceConfig.ExecStartPre = lib.mkForce [
          "${pkgs.coreutils}/bin/false"
        ];
        # Prometheus' image is not there, and cannot be pulled.
        no-component.configuration.odin.bundle = import ../../nixos/packages/bundle.nix {
          inherit pkgs;
          inherit (import ../../nixos/packages { inherit pkgs; }) odin;
          overlay = "dev";
          manifests = ../../manifests;
          versions.prometheus = "v0.0.0";
        };
      };
    };

  testScript =
    { nodes, ... }:
    let
      system = nodes.machine.system.build.toplevel;
    in
    ''
      import sys

      sys.path.insert(0, "${./.}")
      from scenarios import upgrade

      start_all()
      for kind in ("no-boot", "no-k3s", "no-component"):
          upgrade.bad(machine, f"${system}/specialisation/{kind}")
    '';
}
