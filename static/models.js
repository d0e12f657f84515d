// The page of models while one loads: asks how it goes, and shows the page anew at the end.

const PAUSE = 1000; // milliseconds

async function isLoading() {
  const response = await fetch("/api/admin/models");
  if (!response.ok) {
    return false; // The page itself says why, e.g. by sign-in.
  }
  const { active, loading } = await response.json();
  return active === null || loading.length > 0;
}

async function watch() {
  let wait = true;
  try {
    wait = await isLoading();
  } catch {
    // The server may be restarting: ask again.
  }
  if (wait) {
    setTimeout(watch, PAUSE);
  } else {
    // Not a reload: the page may be the answer to a form.
    location.replace("/admin/models");
  }
}

setTimeout(watch, PAUSE);
