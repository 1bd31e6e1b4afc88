package dotkafka;

import java.security.Provider;
import java.security.SecureRandomSpi;
import java.util.Random;

/** Randomness that is the same after each beginning. */
public final class RepeatableRandom extends SecureRandomSpi {
    private static final long serialVersionUID = 1L;
    private static final Random RANDOM = new Random(0);

    static void begin() {
        RANDOM.setSeed(0);
    }

    @Override
    protected void engineSetSeed(byte[] seed) {
    }

    @Override
    protected void engineNextBytes(byte[] bytes) {
        RANDOM.nextBytes(bytes);
    }

    @Override
    protected byte[] engineGenerateSeed(int length) {
        return new byte[length];
    }

    /** Makes it what Java takes when it is asked for any. */
    static final class Offer extends Provider {
        private static final long serialVersionUID = 1L;

        Offer() {
            super("Repeatable", "1", "the same each time");
            put("SecureRandom.Repeatable", RepeatableRandom.class.getName());
        }
    }
}
