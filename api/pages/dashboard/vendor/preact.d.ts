/** The types of the vendored file are those of its package, which the type checker finds among the tools. */
export * from "preact";
