/** Falls, from an error inside another. */
public class Boom {
    static class OrderException extends RuntimeException {
        OrderException(String message, Throwable cause) {
            super(message, cause);
        }
    }

    static void load(String order) {
        throw new IllegalStateException("nothing under " + order);
    }

    static void charge(String order) {
        try {
            load(order);
        } catch (IllegalStateException error) {
            throw new OrderException("no such order: " + order, error);
        }
    }

    public static void main(String[] arguments) {
        charge("bill");
    }
}
