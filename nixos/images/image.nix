# One of ODIN's container images.
{ pkgs }:
let
  inherit (pkgs) lib;
  inherit (pkgs) dockerTools;

  nobody = "65534:65534";
in
{
  name,
  tag,
  versioned,
  package,
  program,
  contents ? [ ],
  directory ? null,
  user ? nobody,
}:
dockerTools.buildLayeredImage {
  name = "odin.local/${name}";
  inherit tag;
  # K3s reads zstd, and reading it is what the first boot waits for.
  compressor = "zstd";
  contents = [ dockerTools.fakeNss ] ++ contents;
  # Layers hold neither /tmp nor a directory the user may write to.
  extraCommands = "mkdir --mode 1777 tmp";
  fakeRootCommands = lib.optionalString (
    directory != null
  ) "install --directory --owner 65534 --group 65534 .${directory}";
  config = {
    Entrypoint = [ "${package}/bin/${program}" ];
    User = user;
    WorkingDir = if directory == null then "/" else directory;
    Env = [ "PATH=/bin" ];
    Labels."org.opencontainers.image.version" = package.version;
  };
}
// {
  # Whether the tag is a version that the chart of the same name runs.
  inherit versioned;
}
