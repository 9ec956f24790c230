// Ends Azurite in an orderly way, data saved, when the process that started it is gone: its end of our
// standard input closes then, whichever way it died and whatever the operating system.
"use strict";
process.stdin.on("error", end);
process.stdin.on("end", end);
process.stdin.on("close", end);
process.stdin.resume();
process.stdin.unref();

function end() {
  process.stdin.removeAllListeners();
  if (!process.emit("SIGTERM", "SIGTERM")) process.exit(0); // still starting: nothing to save
  setTimeout(() => process.exit(0), 8000).unref();
}
