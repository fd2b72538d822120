# `nix run .#flash -- --disk …`: the image of this very revision.
{
  pkgs,
  odin,
  image,
}:
pkgs.writeShellApplication {
  name = "odin-flash";
  runtimeInputs = [ odin ];
  text = ''exec odin install apply --image "${image}/${image.passthru.filePath}" "$@"'';
}
