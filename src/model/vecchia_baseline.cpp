#define KRIGON_VECCHIA_NAME vecchia_baseline
#define KRIGON_VECCHIA_LABEL "baseline"
#define KRIGON_VECTOR_BYTES 16
#include "model/vecchia_body.inc"
