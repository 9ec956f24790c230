"""pages: what a person sees in the browser. One server-rendered page per view, from the ledger's snapshot."""
