"""The services of `freshtune up`: each is one supervised process, started as a module with the workspace as argument."""
