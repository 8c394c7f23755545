/** Made by `xz -T1 --block-size=1024 -0 -C crc32`: four blocks of 1024 bytes. */
export const XZ_FILE = Buffer.from(
  '/Td6WFoAAAFpIt42AgAhAQwAAACPmEGc4AP/AexdAABv/f5Kf+LfZctnwPsttn4tRIHTq/Pn31Dha4/i9ulDIjjQ' +
    'QzxHMITUdUDGSHzCu+eCBtB57tvhDt4CuUy+K79rPSJuVaDWg9VA6WjBdF67v3aZWUPch11fGtynrrGwMXQ1tNxG' +
    'HFVLZBy/Q6jaB+MbY9/UvUbOnRBwksEa25O2aW/0bvWyTFkNZgOdeyHbOpoIqXIAwolS0LU6AIz50PZ3Gl2m53dM' +
    'osUDF7wts6QKFl0YZ2bTnLnsg4RepM/31l7hr5WiTP6XCfC7HRBXz8SVj254wtJRG5f3mB2nCdkqYbPXhaVtoG8z' +
    '2pwBTQIX4vbX6fSo0K8E2CpgBS9LnkEtrEyzqhAD48192V0UO9T1nP6eNbty1PkDk6TxBZOhYipB3/Yg4oaVmWy4' +
    'Z5tvM8mVJEbhl6W3s+57CxH7MXpmCLLZGjtYGvRlxHrqv3GVA931HRzdkG6B0UxQhiBqpBdsE8GyaoDEERSWTNcL' +
    'Vc1dviDiSyWo67Py9HAbtuUWtqBM1doKtPAmHf8iQvgeKL2lDzewYn7E8hjf+HBuPuwp95hRmSdFcCTf7b00px3c' +
    'e9WroBBcBwsBKejO2w6N98Za9RvmUsPL0xNwNvQRc4ydAJSTCXWi3BicBHlWrbeRhFyEijy/ynXVjTjCAADlCYRr' +
    'AgAhAQwAAACPmEGc4AP/AetdAABv/f18qlF7I4LFkdoMFTVCV1XzdEV/INL+oEZF9qmuSehxx5L8ASjI/N9tKqza' +
    'WXElMIWgWUulMSIVpk8bccVchnyqwE5xdzvz2s1dwNBjGzalcTdmvdy6OrTpoS7+Sum7siXeHfKWZtcwJQg6RsEY' +
    '+4ihT2T6c5AmlbmcXUvD5e/rJjm0pgsQwRZpGi2eUPqpmGMmdCQ+TylikCDcE2neapaJoA+czfc7Hv/r1GDRfZNI' +
    'RPBoGQ4b8BegrlS1d6biZ5p2ggqJFqUlVBrkjexrfTp0XhHN7Quatid5micXAfDQbHCUV3kdBdBs4bGewd0MCyMK' +
    'NuQSvDa3y0ezurr52JvL3bRZmLDWR19OF9BJgEhi8IM3co2mwbIppiQI8d9pWWpKkDNbZOgVmJhl3STgEWTDURCY' +
    'P+xLsGYKPdLVzK/AStRz/OqP+IDVTBYrDzi3rsHPhBOFAy2uDBK3OxpsWfNX2uBjaHRxt1923XNtQ3bYU/apPXJN' +
    'FHKJPQJvyRGJsEXWts1QBs4Kk5CGg3zMAVVEVwzQWESakmrou7TsVYZz0zPkSin2VQw1HOcO5Y+86qnAgd6VG9kj' +
    'z/2x/U0BTVapGiKPu8KyROrN+5Y8mQIQufZ499yyvyfE/5SrIA50jQz2o2fCO98AAADwhuA+AgAhAQwAAACPmEGc' +
    '4AP/AetdAABv/fyxOHTLFrX9AhYzzWrmG7eINWmihEhne75ndz2yH3VUf5BUN8s/216kjv9uk1mnOUac7KCKIThl' +
    'rVx3568a53D20JR6I3UOGJvMZaa5xxS9zUpU9ugtbDvazFleikD0MA7Lo9e+hOlMMjVYq1Ne4pzUW6BpER6fXPii' +
    'tO6junTThRQS9qunR0oMTZaG7hgjdH+EGjovXPVgNl7xJ8iUAHe9c4sT9f3KsPIKuRiZX5arxFnCm7rVsj0q4GtB' +
    'oGJcuRItDXC9zLkIMeo56vLtJT0Ry9gvxu6I0rM4+PK2Ugqzar9Td+61jQhZwil8cFAjgpIz0i0wHiMGq+VSGyxQ' +
    'AOjrLw382pYUH61BAtWrplWz9N0UO1X4XMMSNjHcnOKWg4Y3B7eSXyPlbl3LIzIL7R7xziPOWKkKUOIkgRzYn3Fv' +
    'apJfNBUhdTtHhtX59ttOEnVfuT+87Flb3ft7CNc2Wc7uXyxNRHPTYyBIgyc+oAcT8IE1SjlaxJ2oCMCHo7ufRS+o' +
    'fQ3i+vJ+scW6DTxAUXaw8dyIrM128g3WvlxxJp4fAZqTDl8esn0u5AEPFkM4sf8HeLswuuWKMn0VvG9aEgNius+v' +
    'pe9r/JMWu7wSBvfiBnCziWjEsQEBxfEKQicJHIeTyQF+SXIAAADgNONlAgAhAQwAAACPmEGc4AP/AetdAABv/fvj' +
    '6+efDWYGX0ccKA2KPQqYFYSmLE4H9vPpC3KUvlkt21KHOsobZpsL/IBoMgKvQM9aIfMvauiFPbyn7xuZ+zxo00E9' +
    'D/74t2/5hOIrAsf1MN0SutVEuyq6OzjMLP14L05HEckyKrV9pVmKpClgvJuTKwua14sXNRf7p4vmLc0zNrhIfNRh' +
    'gQjtWynu+3dDeGy1+lXAfGHGwcPlJLxAFuN1lCMs7iW4dnYJ/TBN0yx1NSVZn8CPUgXXduQcSUSZ1QjMNjka0vpo' +
    'D1YJr/MDYT6lEshj/6bUj7Bl4Qwx9ESLWFqZl/CdIXkTRmsdlmpDxC0hhD0Iuqmt1K7kMe9IalHB9XWeh4dUdl7I' +
    'x2oRNQ/sZa30JoQMrpM2cFpfFEz7dByOuSBo9pF4ruXQsQnQSNfbjEoZuYunF/HsxDJnIugsSOsZdR4zW7HPRFzX' +
    '+U9baEnBRgaMTjR2w6vXzDlLgbX1rQ0jDx40DmPGcGXlf7I245/lO28wYcDEWd82kv0bYJ3NC7GkMv/euMQ71rPd' +
    'OCLhd5DdLEEHDkGr7SOvcds2SeN4qTFqi3kWVwdtvxiXqNzMGQVKOtKRVRL0iRKxq4unkytTTpOy5QgTXcR11JtY' +
    'zKd4iebcYhUbHLxbR4rvk8zTSg4clwAAAACRywMIAASEBIAIgwSACIMEgAiDBIAIAADYgEn4hgAIlgUAAAAAAVla',
  'base64',
);

/** What it holds. */
export const XZ_CONTENT = Buffer.from(
  Array.from({ length: 4096 }, (_, at) =>
    Math.floor(at / 500) % 2 === 0 ? 0 : Math.floor((at * at) / 8) % 256,
  ),
);
