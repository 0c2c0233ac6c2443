# A program that knows nothing of Krigon: fits y = a + b x + c x^2 to noisy points by gradient descent
# with momentum and prints its error after every pass. Set with -v: rate, momentum, passes, seed.
BEGIN {
  srand(seed)
  count = 200
  for (i = 1; i <= count; i++) {
    x[i] = 2 * rand() - 1
    y[i] = 0.5 - 1.5 * x[i] + 2 * x[i] * x[i] + 0.1 * (rand() - 0.5)
  }
  for (pass = 1; pass <= passes; pass++) {
    error = ga = gb = gc = 0
    for (i = 1; i <= count; i++) {
      e = a + b * x[i] + c * x[i] * x[i] - y[i]
      error += e * e / count
      ga += 2 * e / count
      gb += 2 * e * x[i] / count
      gc += 2 * e * x[i] * x[i] / count
    }
    va = momentum * va - rate * ga; a += va
    vb = momentum * vb - rate * gb; b += vb
    vc = momentum * vc - rate * gc; c += vc
    if (error > 1e6) { print "diverged" > "/dev/stderr"; exit 1 }
    printf "pass %d error %.8f\n", pass, error
  }
}
