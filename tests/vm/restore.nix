# A machine is lost; a second, empty one takes the disk with the backups and
# becomes the first. Compared: every object a person declared, every file of the
# workload, the identity of the cluster.
{
  name = "restore";
  globalTimeout = 7200;
  # The driver's checker cannot follow the import of the scenarios.
  skipTypeCheck = true;

  nodes = {
    first = ./machine.nix;
    second = {
      imports = [ ./machine.nix ];
      # It brings up a cluster of its own, which the restore replaces.
      odin.apply.repairDrift = false;
    };
  };

  testScript = ''
    import sys

    sys.path.insert(0, "${./.}")
    from scenarios import restore

    def move(source, target):
        target.succeed("mkdir -p /mnt/backup")
        source.succeed("tar -C /mnt/backup -cf /tmp/backup.tar .")
        source.copy_from_vm("/tmp/backup.tar")
        target.copy_from_host(str(source.out_dir / "backup.tar"), "/tmp/backup.tar")
        target.succeed("tar -C /mnt/backup -xf /tmp/backup.tar")

    start_all()
    restore.run(first, second, move)
  '';
}
