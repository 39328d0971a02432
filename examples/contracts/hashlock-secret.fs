( 32 zero bytes: for trying the hashlock, and no secret )
binary 32 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
